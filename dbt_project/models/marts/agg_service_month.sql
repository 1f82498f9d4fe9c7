with source as (
    select * from {{ ref('fct_service_case') }}
    where is_closed
),

final as (
    select
        service_code,
        cast(date_trunc('month', closed_date) as date) as closed_month,
        count(*) as closed_cases,
        count(*) filter (where outcome = 'completed') as completed_cases,
        count(turnaround_working_days) as measured_cases,
        quantile_cont(turnaround_working_days, 0.5) as median_turnaround_working_days,
        count(is_within_standard) as standard_cases,
        avg(cast(is_within_standard as integer)) as within_standard_share
    from source
    group by service_code, closed_month
)

select * from final
