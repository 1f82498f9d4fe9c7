{{ config(materialized='table') }}

with final as (
    {% for key, persons in person_columns().items() %}
        select unnest({{ persons }}) as person_key
        from {{ source('lake', key) }}
        where
            certificate_id >= {{ first_certificate(key) }}
            and record_key in ({{ touched_records(key) }})
        {{ 'union' if not loop.last }}
    {% endfor %}
)

select * from final
where person_key is not null
