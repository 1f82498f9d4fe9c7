with service_case as (
    select count(*) as closed_cases from {{ ref('fct_service_case') }}
    where is_closed
),

service_month as (
    select coalesce(sum(closed_cases), 0) as closed_cases from {{ ref('agg_service_month') }}
)

select
    service_case.closed_cases,
    service_month.closed_cases as service_month_cases
from service_case
cross join service_month
where service_case.closed_cases <> service_month.closed_cases
