with wait as (
    select * from {{ ref('int_case_wait') }}
),

newest as (
    -- No rule reads the clock: a stream that stopped ages nobody's case.
    select
        latest.stream_key,
        latest.as_of_date,
        calendar.working_day_number
    from (
        select
            stream_key,
            max(last_step_date) as as_of_date
        from {{ ref('fct_service_case') }}
        group by stream_key
    ) as latest
    inner join {{ ref('int_business_calendar') }} as calendar on latest.as_of_date = calendar.calendar_date
),

usual as (
    select
        wait.stream_key,
        wait.service_code,
        wait.last_step,
        count(*) as measured_waits,
        quantile_cont(wait.waited_working_days, 0.9) as p90_working_days
    from wait
    inner join newest on wait.stream_key = newest.stream_key
    where
        wait.waited_working_days >= 0
        and wait.ended_date > newest.as_of_date - interval 1 year
    group by wait.stream_key, wait.service_code, wait.last_step
    having count(*) >= 20
),

open_wait as (
    select
        wait.*,
        awaited.awaits,
        newest.as_of_date,
        newest.working_day_number - wait.begun_working_day as open_working_days
    from wait
    inner join newest on wait.stream_key = newest.stream_key
    inner join {{ source('reference', 'awaited_step') }} as awaited
        on wait.stream_key = awaited.stream_key and wait.last_step = awaited.last_step
    where wait.ended_date is null and awaited.is_outside
),

final as (
    select
        open_wait.stream_key,
        open_wait.application_id,
        open_wait.service_code,
        service_case.person_key,
        service_case.office_code,
        service_case.dzongkhag_code,
        open_wait.last_step,
        open_wait.awaits,
        open_wait.begun_date as waiting_since_date,
        open_wait.as_of_date,
        open_wait.open_working_days as waited_working_days,
        usual.p90_working_days,
        usual.measured_waits,
        open_wait.certificate_id
    from open_wait
    inner join usual
        on
            open_wait.stream_key = usual.stream_key
            and open_wait.service_code = usual.service_code
            and open_wait.last_step = usual.last_step
    inner join {{ ref('fct_service_case') }} as service_case
        on
            open_wait.stream_key = service_case.stream_key
            and open_wait.application_id = service_case.application_id
    where open_wait.open_working_days > usual.p90_working_days
)

select * from final
