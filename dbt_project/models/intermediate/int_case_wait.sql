{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['stream_key', 'application_id'], touched_of(case_streams())) }}",
    )
}}

with source as (
    select
        *,
        row_number() over (
            partition by stream_key, application_id
            order by event_date, event_time nulls last, step_number, kafka_partition, kafka_offset
        ) as step_order
    from {{ ref('int_case_step') }}
),

renamed as (
    select
        stream_key,
        application_id,
        step,
        step_order,
        is_final,
        event_date,
        coalesce(
            last_value(service_code ignore nulls) over whole_case,
            'cid-unknown'
        ) as service_code,
        max(certificate_id) over whole_case as certificate_id,
        lag(step) over in_order as step_before
    from source
    window
        in_order as (partition by stream_key, application_id order by step_order),
        whole_case as (in_order rows between unbounded preceding and unbounded following)
),

changed as (
    -- A step that is reported twice goes on waiting.
    select
        *,
        row_number() over in_order as wait_number,
        lead(step) over in_order as next_step,
        lead(event_date) over in_order as ended_date
    from renamed
    where step_before is null or step_before <> step
    window in_order as (partition by stream_key, application_id order by step_order)
),

final as (
    select
        changed.stream_key,
        changed.application_id,
        changed.service_code,
        changed.wait_number,
        changed.step as last_step,
        changed.event_date as begun_date,
        changed.next_step,
        changed.ended_date,
        begun.working_day_number as begun_working_day,
        changed.certificate_id,
        ended.working_day_number - begun.working_day_number as waited_working_days
    from changed
    left join {{ ref('int_business_calendar') }} as begun on changed.event_date = begun.calendar_date
    left join {{ ref('int_business_calendar') }} as ended on changed.ended_date = ended.calendar_date
    where not changed.is_final
)

select * from final
