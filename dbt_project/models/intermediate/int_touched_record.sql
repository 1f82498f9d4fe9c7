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
        {% if person_column_names(key) %}
            union
            select
                '{{ key }}' as stream_key,
                record_key
            from ({{ records_of_new_identity(key) }})
        {% endif %}
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
            where named.stream_key in {{ stream_tuple(case_streams()) }}
        )
),

touched as (
    select * from named
    union
    select * from feedback_on_named_case
),

final as (
    {% for key in contract_streams() %}
        select
            '{{ key }}' as stream_key,
            landed.record_key,
            min(landed.certificate_id) as first_certificate
        from {{ source('lake', key) }} as landed
        where
            landed.record_key in (
                select touched.record_key from touched
                where touched.stream_key = '{{ key }}'
            )
        group by landed.record_key
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from final
