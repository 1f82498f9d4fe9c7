with source as (
    select * from {{ ref('fct_hospital_visit') }}
),

final as (
    select
        department_code,
        visit_date,
        count(*) as visits,
        count(*) filter (where is_booked) as booked,
        count(*) filter (where is_arrived) as arrived,
        count(*) filter (where is_no_show) as no_shows,
        count(*) filter (where status = 'cancelled') as cancelled,
        count(*) filter (where is_walk_in) as walk_ins,
        count(wait_minutes) as measured_waits,
        quantile_cont(wait_minutes, 0.5) as median_wait_minutes,
        quantile_cont(wait_minutes, 0.9) as p90_wait_minutes
    from source
    group by department_code, visit_date
)

select * from final
