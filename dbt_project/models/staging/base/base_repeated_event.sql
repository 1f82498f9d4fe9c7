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
            source,
            event_id,
            arg_min(kafka_partition, row(broker_time, kafka_partition, kafka_offset)) as first_partition,
            arg_min(kafka_offset, row(broker_time, kafka_partition, kafka_offset)) as first_offset
        from {{ source('lake', key) }}
        where
            not is_deleted
            {% if is_incremental() %}
                and (source, event_id) in (
                    select
                        source,
                        event_id
                    from {{ source('lake', key) }}
                    where {{ is_new() }} and not is_deleted
                )
            {% endif %}
        group by source, event_id
        having count(*) > 1
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from final
