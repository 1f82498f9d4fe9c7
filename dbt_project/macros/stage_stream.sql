{#
  One stream as it now stands. Producer's duplicates go first (the earliest of a source and event_id stays),
  so that a record sent again after its deletion doesn't come back. Then an event gives way to a later one
  that corrects it, and a deletion hides the earlier rows of its key. Order is broker time, partition, offset.

  Each rule joins something small; `case` keeps positions from being compared for rows that no rule speaks of (a third
  of the time saved). `rows` is where the stream's rows come from: all of them, or those of some keys. Persons are those whom
  the registry holds them to be, see macros/identity.sql.
#}
{% macro stage_stream(key, rows) %}
    select landed.*
    from {{ identified(key, rows) }} as landed
    left join {{ ref('base_repeated_event') }} as repeated
        on
            repeated.stream_key = '{{ key }}'
            and landed.source = repeated.source
            and landed.event_id = repeated.event_id
    left join (
        select
            source,
            corrects_event_id as event_id,
            max(row(broker_time, kafka_partition, kafka_offset)) as last_position
        from {{ source('lake', key) }}
        where corrects_event_id is not null and corrects_event_id <> event_id
        group by source, corrects_event_id
    ) as correction
        on landed.source = correction.source and landed.event_id = correction.event_id
    left join (
        select
            record_key,
            kafka_partition,
            max(kafka_offset) as last_offset
        from {{ source('lake', key) }}
        where is_deleted
        group by record_key, kafka_partition
    ) as deletion
        on landed.record_key = deletion.record_key and landed.kafka_partition = deletion.kafka_partition
    where
        not landed.is_deleted
        and (
            repeated.first_offset is null
            or (
                landed.kafka_partition = repeated.first_partition
                and landed.kafka_offset = repeated.first_offset
            )
        )
        and case
            when correction.last_position is null then true
            else {{ landed_position() }} > correction.last_position
        end
        and (deletion.last_offset is null or landed.kafka_offset > deletion.last_offset)
{% endmacro %}

{% macro landed_position() -%}
    row(landed.broker_time, landed.kafka_partition, landed.kafka_offset)
{%- endmacro %}
