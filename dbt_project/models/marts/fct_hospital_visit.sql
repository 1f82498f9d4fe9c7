{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['visit_id'], touched_records('jdwnrh__hospital_visit')) }}",
    )
}}

with source as (
    select
        *,
        row_number() over (
            partition by visit_id
            order by event_date, event_time nulls last, event_number, kafka_partition, kafka_offset
        ) as event_order
    from {{ ref('int_visit_event') }}
),

renamed as (
    select
        visit_id,
        arg_max(department_code, event_order) as department_code,
        arg_max(person_key, event_order) as person_key,
        arg_max(visit_type, event_order) as visit_type,
        arg_max(triage, event_order) as triage,
        arg_max(referral, event_order) as referral,
        arg_min_null(event_time, event_order) filter (where event = 'booked') as booked_at,
        min(event_date) filter (where event = 'booked') as booked_date,
        arg_max(slot_date, event_order) as slot_date,
        arg_max_null(slot_at, event_order) filter (where slot_date is not null) as slot_at,
        min(event_date) filter (where is_attendance) as arrived_date,
        arg_min_null(event_time, event_order) filter (where event = 'arrived') as arrived_at,
        arg_min_null(event_time, event_order) filter (where event = 'consultation_started')
            as consultation_started_at,
        arg_max_null(event_time, event_order) filter (where event = 'consultation_ended')
            as consultation_ended_at,
        count(*) filter (where event = 'moved') as move_count,
        min(event_date) as first_event_date,
        bool_or(event in ('booked', 'moved', 'cancelled', 'no_show')) as has_booking,
        bool_or(is_attendance) as is_arrived,
        coalesce(
            max(event_number) filter (where is_attendance), arg_max(event_number, event_order)
        ) as status_number,
        max(certificate_id) as certificate_id
    from source
    group by visit_id
),

described as (
    select
        * exclude (department_code),
        coalesce(department_code, 'unknown') as department_code,
        coalesce(visit_type = 'walk_in', not has_booking) as is_walk_in,
        coalesce(slot_date, arrived_date, first_event_date) as visit_date,
        ([
            'booked', 'booked', 'cancelled', 'arrived', 'in_consultation', 'completed', 'no_show',
        ])[status_number] as status,
        slot_date - booked_date as lead_days,
        case
            when consultation_started_at >= arrived_at
                then (epoch_us(consultation_started_at) - epoch_us(arrived_at)) / 60e6
        end as wait_minutes
    from renamed
),

final as (
    select
        visit_id,
        department_code,
        person_key,
        visit_type,
        triage,
        referral,
        booked_at,
        booked_date,
        slot_date,
        slot_at,
        lead_days,
        visit_date,
        arrived_at,
        consultation_started_at,
        consultation_ended_at,
        wait_minutes,
        move_count,
        is_walk_in,
        is_arrived,
        status,
        certificate_id,
        has_booking and not is_walk_in as is_booked,
        status = 'no_show' as is_no_show
    from described
)

select * from final
