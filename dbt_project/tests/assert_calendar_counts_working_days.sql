-- A working day adds one, any other day none; no weekend and no listed holiday is a working day.
with counted as (
    select
        calendar_date,
        is_holiday,
        is_working_day,
        working_day_number - lag(working_day_number, 1, 0) over (order by calendar_date) as days_added
    from {{ ref('int_business_calendar') }}
)

select
    calendar_date,
    is_holiday,
    is_working_day,
    days_added
from counted
where
    days_added <> cast(is_working_day as integer)
    or (is_working_day and (is_holiday or dayofweek(calendar_date) in (0, 6)))
