{{ config(materialized='table') }}

with named as (
    {% for key in contract_streams() %}
        select
            '{{ key }}' as stream_key,
            landed.record_key
        from {{ source('lake', key) }} as landed
        where {{ is_new('landed') }}
        union
        select
            '{{ key }}' as stream_key,
            landed.record_key
        from {{ source('lake', key) }} as landed
        where
            (landed.source, landed.event_id) in (
                select
                    fresh.source,
                    fresh.event_id
                from {{ source('lake', key) }} as fresh
                where {{ is_new('fresh') }} and not fresh.is_deleted
                union all
                select
                    fresh.source,
                    fresh.corrects_event_id
                from {{ source('lake', key) }} as fresh
                where {{ is_new('fresh') }} and fresh.corrects_event_id is not null
            )
        {{ 'union' if not loop.last }}
    {% endfor %}
),

feedback_on_named_case as (
    select
        'rcsc__service_feedback' as stream_key,
        landed.record_key
    from {{ source('lake', 'rcsc__service_feedback') }} as landed
    where
        landed.application_id in (
            select named.record_key from named
            where named.stream_key in {{ case_list() }}
        )
),

final as (
    select * from named
    union
    select * from feedback_on_named_case
)

select * from final
