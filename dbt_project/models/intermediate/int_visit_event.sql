{{ config(materialized='ephemeral') }}

with source as (
    select * from {{ staged('jdwnrh__hospital_visit') }}
),

renamed as (
    select
        visit_id,
        event,
        event_time,
        event_date,
        department_code,
        visit_type,
        slot_date,
        slot_at,
        person_key,
        sex,
        age_years,
        triage,
        referral,
        kafka_partition,
        kafka_offset,
        certificate_id,
        list_position(
            [
                'booked', 'moved', 'cancelled', 'arrived', 'consultation_started', 'consultation_ended',
                'no_show',
            ],
            event
        ) as event_number,
        event in ('arrived', 'consultation_started', 'consultation_ended') as is_attendance
    from source
),

final as (
    select * from renamed
)

select * from final
