{{ config(materialized='ephemeral') }}

with cid_issuance as (
    select
        person_key,
        'dcrc__cid_issuance' as stream_key,
        kafka_partition,
        kafka_offset,
        certificate_id,
        event_date,
        event_time,
        sex,
        birth_year,
        permanent_gewog_code
    from {{ staged_of_persons('dcrc__cid_issuance') }}
),

guardian as (
    select
        guardian_person_key as person_key,
        'dcrc__cid_issuance' as stream_key,
        certificate_id,
        event_date
    from {{ staged_of_persons('dcrc__cid_issuance') }}
),

census_transfer as (
    select
        unnest({{ person_columns()['dcrc__census_transfer'] }}) as person_key,
        'dcrc__census_transfer' as stream_key,
        certificate_id,
        event_date
    from {{ staged_of_persons('dcrc__census_transfer') }}
),

hospital_visit as (
    select
        person_key,
        'jdwnrh__hospital_visit' as stream_key,
        kafka_partition,
        kafka_offset,
        certificate_id,
        event_date,
        event_time,
        sex,
        year(event_date) - age_years as birth_year
    from {{ staged_of_persons('jdwnrh__hospital_visit') }}
),

service_feedback as (
    select
        person_key,
        'rcsc__service_feedback' as stream_key,
        certificate_id,
        event_date
    from {{ staged_of_persons('rcsc__service_feedback') }}
),

final as (
    select * from cid_issuance
    union all by name
    select * from guardian
    union all by name
    select * from census_transfer
    union all by name
    select * from hospital_visit
    union all by name
    select * from service_feedback
)

select * from final
where person_key is not null
