{{ config(materialized='table', tags=['reference']) }}

with source as (
    select unnest(range(timestamp '2015-01-01', timestamp '2036-01-01', interval 1 day)) as day_start
),

holiday as (
    select distinct cast(holiday_date as date) as holiday_date from {{ source('reference', 'holiday') }}
),

renamed as (
    select
        cast(source.day_start as date) as calendar_date,
        holiday.holiday_date is not null as is_holiday,
        isodow(source.day_start) <= 5 and holiday.holiday_date is null as is_working_day
    from source
    left join holiday on cast(source.day_start as date) = holiday.holiday_date
),

final as (
    select
        calendar_date,
        is_holiday,
        is_working_day,
        count(*) filter (where is_working_day) over (order by calendar_date) as working_day_number
    from renamed
)

select * from final
