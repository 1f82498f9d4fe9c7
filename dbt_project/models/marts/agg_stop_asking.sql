with source as (
    select * from {{ ref('agg_once_only_month') }}
),

recent as (
    select *
    from source
    where asked_month > (select max(newest.asked_month) from source as newest) - interval 1 year
),

counted as (
    select
        agency,
        service_code,
        field,
        min(asked_month) as first_month,
        max(asked_month) as last_month,
        sum(asked) as asked,
        sum(asked_again) as asked_again,
        sum(saved_minutes) as saved_minutes
    from recent
    group by agency, service_code, field
    having sum(asked_again) > 0
),

known as (
    select
        agency,
        service_code,
        field,
        mode(known_from_stream order by known_from_stream) as take_from_stream
    from {{ ref('fct_asked_field') }}
    where is_asked_again
    group by agency, service_code, field
),

final as (
    select
        counted.agency,
        counted.service_code,
        counted.field,
        known.take_from_stream,
        counted.first_month,
        counted.last_month,
        cast(counted.asked as bigint) as asked,
        cast(counted.asked_again as bigint) as asked_again,
        counted.saved_minutes,
        counted.asked_again / counted.asked as asked_again_share,
        rank() over (order by counted.saved_minutes desc nulls last) as place
    from counted
    inner join known
        on
            counted.agency = known.agency
            and counted.service_code = known.service_code
            and counted.field = known.field
)

select * from final
