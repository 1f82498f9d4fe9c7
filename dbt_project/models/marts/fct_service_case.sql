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
        coalesce(arg_max(service_code, step_order), 'cid-unknown') as service_code,
        arg_max(person_key, step_order) as person_key,
        arg_min(office_code, step_order) as office_code,
        arg_max(gewog_code, step_order) as gewog_code,
        count(*) as step_count,
        count(*) filter (where step = 'returned_for_correction') as return_count,
        arg_min_null(event_time, step_order) filter (where step = 'submitted') as submitted_at,
        min(event_date) filter (where step = 'submitted') as submitted_date,
        arg_max(step, step_order) as last_step,
        max(event_date) as last_step_date,
        arg_max_null(event_time, step_order) as last_step_at,
        arg_max(is_final, step_order) as is_closed,
        max(certificate_id) as certificate_id
    from source
    group by stream_key, application_id
),

measured as (
    select
        renamed.*,
        cast(service.standard_working_days as bigint) as standard_working_days,
        coalesce(office.dzongkhag_code, gewog.dzongkhag_code) as dzongkhag_code,
        closing_day.working_day_number - submission_day.working_day_number as turnaround_working_days,
        case when renamed.is_closed then renamed.last_step_at end as closed_at,
        case when renamed.is_closed then renamed.last_step_date end as closed_date,
        case
            when renamed.last_step in ('handed_over', 'registered') then 'completed'
            when renamed.is_closed then renamed.last_step
        end as outcome
    from renamed
    left join {{ source('reference', 'office') }} as office on renamed.office_code = office.code
    left join {{ source('reference', 'gewog') }} as gewog on renamed.gewog_code = gewog.code
    left join {{ source('reference', 'service') }} as service on renamed.service_code = service.code
    left join {{ ref('int_business_calendar') }} as submission_day
        on renamed.submitted_date = submission_day.calendar_date
    left join {{ ref('int_business_calendar') }} as closing_day
        on renamed.is_closed and renamed.last_step_date = closing_day.calendar_date
),

final as (
    select
        stream_key,
        application_id,
        service_code,
        person_key,
        office_code,
        dzongkhag_code,
        step_count,
        return_count,
        submitted_at,
        submitted_date,
        last_step,
        last_step_date,
        is_closed,
        closed_at,
        closed_date,
        outcome,
        turnaround_working_days,
        standard_working_days,
        certificate_id,
        turnaround_working_days <= standard_working_days as is_within_standard
    from measured
)

select * from final
