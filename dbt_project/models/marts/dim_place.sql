{{ config(tags=['reference']) }}

with dzongkhag as (
    select
        code as place_code,
        'dzongkhag' as place_level,
        name,
        name_dzongkha,
        cast(null as varchar) as parent_code,
        iso_code,
        population_2017,
        households_2017
    from {{ source('reference', 'dzongkhag') }}
),

gewog as (
    select
        code as place_code,
        'gewog' as place_level,
        name,
        cast(null as varchar) as name_dzongkha,
        dzongkhag_code as parent_code,
        cast(null as varchar) as iso_code,
        population_2017,
        households_2017
    from {{ source('reference', 'gewog') }}
),

place as (
    select * from dzongkhag
    union all
    select * from gewog
),

final as (
    select
        place_code,
        place_level,
        name,
        name_dzongkha,
        parent_code,
        iso_code,
        population_2017,
        households_2017
    from place
)

select * from final
