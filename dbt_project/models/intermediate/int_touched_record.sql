{{ config(materialized='table') }}
-- A full build reads whole streams and asks for no key.
{% set wanted = 'false' if flags.FULL_REFRESH else is_new() %}

with named as (
    {% for key in contract_streams() %}
        select
            '{{ key }}' as stream_key,
            record_key
        from {{ source('lake', key) }}
        where {{ wanted }}
        union
        select
            '{{ key }}' as stream_key,
            record_key
        from {{ source('lake', key) }}
        where
            (source, event_id) in (
                select
                    source,
                    event_id
                from {{ source('lake', key) }}
                where {{ wanted }} and not is_deleted
                union all
                select
                    source,
                    corrects_event_id
                from {{ source('lake', key) }}
                where {{ wanted }} and corrects_event_id is not null
            )
        {{ 'union' if not loop.last }}
    {% endfor %}
),

feedback_on_named_case as (
    select
        'rcsc__service_feedback' as stream_key,
        record_key
    from {{ source('lake', 'rcsc__service_feedback') }}
    where
        application_id in (
            select record_key from named
            where stream_key in ('{{ case_streams() | join("', '") }}')
        )
),

final as (
    select * from named
    union
    select * from feedback_on_named_case
)

select * from final
