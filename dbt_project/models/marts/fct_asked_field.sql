{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['stream_key', 'record_key'], touched_askings()) }}",
    )
}}

with source as (
    select * from {{ source('registry', 'asked_field') }}
    {% if is_increment() %}
        where (stream_key, record_key) in ({{ touched_askings() }})
    {% endif %}
),

served as (
    select
        stream_key,
        application_id as record_key,
        service_code
    from {{ ref('fct_service_case') }}
    union all
    select
        'jdwnrh__hospital_visit' as stream_key,
        visit_id as record_key,
        case visit_type when 'urgent' then 'hospital-emergency' else 'hospital-outpatient' end as service_code
    from {{ ref('fct_hospital_visit') }}
),

final as (
    select
        source.stream_key,
        source.record_key,
        source.field,
        source.attribute,
        served.service_code,
        source.asked_date,
        source.was_known as is_known,
        source.was_equal as is_asked_again,
        source.known_from_stream,
        source.kafka_partition,
        source.kafka_offset,
        source.certificate_id,
        split_part(source.stream_key, '__', 1) as agency
    from source
    inner join served
        on source.stream_key = served.stream_key and source.record_key = served.record_key
)

select * from final
