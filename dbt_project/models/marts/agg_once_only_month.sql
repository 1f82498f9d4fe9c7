with source as (
    select * from {{ ref('fct_asked_field') }}
),

counted as (
    select
        agency,
        service_code,
        field,
        attribute,
        cast(date_trunc('month', asked_date) as date) as asked_month,
        count(*) as asked,
        count(*) filter (where is_known) as known,
        count(*) filter (where is_asked_again) as asked_again
    from source
    group by agency, service_code, field, attribute, asked_month
),

final as (
    select
        counted.agency,
        counted.service_code,
        counted.field,
        counted.asked_month,
        counted.attribute,
        counted.asked,
        counted.known,
        counted.asked_again,
        counted.asked_again / counted.asked as asked_again_share,
        counted.asked_again * cast(asking.minutes as double) as saved_minutes
    from counted
    left join {{ source('reference', 'asking_minutes') }} as asking on counted.attribute = asking.code
)

select * from final
