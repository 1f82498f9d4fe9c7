{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['stream_key', 'record_key'], touched_of(person_columns())) }}",
    )
}}

with cid_issuance as (
    select * from {{ staged('dcrc__cid_issuance') }}
),

applicant as (
    select
        person_key,
        'dcrc__cid_issuance' as stream_key,
        'applicant' as named_as,
        record_key,
        kafka_partition,
        kafka_offset,
        certificate_id,
        event_date,
        event_time,
        sex,
        birth_year,
        permanent_gewog_code
    from cid_issuance
),

guardian as (
    select
        guardian_person_key as person_key,
        'dcrc__cid_issuance' as stream_key,
        'guardian' as named_as,
        record_key,
        kafka_partition,
        kafka_offset,
        certificate_id,
        event_date
    from cid_issuance
),

mover as (
    select
        unnest(list_distinct({{ person_columns()['dcrc__census_transfer'] }})) as person_key,
        'dcrc__census_transfer' as stream_key,
        'mover' as named_as,
        record_key,
        kafka_partition,
        kafka_offset,
        certificate_id,
        event_date
    from {{ staged('dcrc__census_transfer') }}
),

patient as (
    select
        person_key,
        'jdwnrh__hospital_visit' as stream_key,
        'patient' as named_as,
        record_key,
        kafka_partition,
        kafka_offset,
        certificate_id,
        event_date,
        event_time,
        sex,
        year(event_date) - age_years as birth_year
    from {{ staged('jdwnrh__hospital_visit') }}
),

rater as (
    select
        person_key,
        'rcsc__service_feedback' as stream_key,
        'rater' as named_as,
        record_key,
        kafka_partition,
        kafka_offset,
        certificate_id,
        event_date
    from {{ staged('rcsc__service_feedback') }}
),

final as (
    select * from applicant
    union all by name
    select * from guardian
    union all by name
    select * from mover
    union all by name
    select * from patient
    union all by name
    select * from rater
)

select * from final
where person_key is not null
