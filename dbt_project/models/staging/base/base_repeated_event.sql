{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['stream_key', 'source', 'event_id'],
    )
}}

with final as (
    {% for key in contract_streams() %}
        select
            '{{ key }}' as stream_key,
            landed.source,
            landed.event_id,
            arg_min(landed.kafka_partition, {{ landed_position() }}) as first_partition,
            arg_min(landed.kafka_offset, {{ landed_position() }}) as first_offset
        from {{ source('lake', key) }} as landed
        where
            not landed.is_deleted
            {% if is_incremental() %}
                and (landed.source, landed.event_id) in (
                    select
                        fresh.source,
                        fresh.event_id
                    from {{ source('lake', key) }} as fresh
                    where {{ is_new('fresh') }} and not fresh.is_deleted
                )
            {% endif %}
        group by landed.source, landed.event_id
        having count(*) > 1
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from final
