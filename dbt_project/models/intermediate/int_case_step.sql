{{ config(materialized='ephemeral') }}

with cid_issuance as (
    select
        'dcrc__cid_issuance' as stream_key,
        'cid-' || application_type as service_code,
        application_id,
        step,
        list_position(
            [
                'submitted', 'documents_verified', 'biometrics_taken', 'returned_for_correction', 'approved',
                'printed', 'handed_over', 'rejected', 'withdrawn',
            ],
            step
        ) as step_number,
        step in ('handed_over', 'rejected', 'withdrawn') as is_final,
        event_time,
        event_date,
        person_key,
        office_code,
        permanent_gewog_code as gewog_code,
        kafka_partition,
        kafka_offset,
        certificate_id
    from {{ staged('dcrc__cid_issuance') }}
),

census_transfer as (
    select
        'dcrc__census_transfer' as stream_key,
        'census-transfer' as service_code,
        application_id,
        step,
        list_position(
            [
                'submitted', 'origin_verified', 'destination_accepted', 'dzongkhag_approved', 'registered',
                'rejected', 'withdrawn',
            ],
            step
        ) as step_number,
        step in ('registered', 'rejected', 'withdrawn') as is_final,
        event_time,
        event_date,
        person_key,
        office_code,
        to_gewog_code as gewog_code,
        kafka_partition,
        kafka_offset,
        certificate_id
    from {{ staged('dcrc__census_transfer') }}
),

final as (
    select * from cid_issuance
    union all
    select * from census_transfer
)

select * from final
