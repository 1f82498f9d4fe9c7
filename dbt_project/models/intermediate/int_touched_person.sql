{{ config(materialized='table') }}

with named as (
    {% for key, persons in person_columns().items() %}
        {% set rows = source('lake', key) %}
        {% for told in (rows, identified(key, rows)) %}
            select unnest({{ persons }}) as person_key
            from {{ told }} as landed
            where
                landed.certificate_id >= {{ first_certificate(key) }}
                and landed.record_key in ({{ touched_records(key) }})
            union
        {% endfor %}
    {% endfor %}
    select link.person_key
    from {{ source('lake', 'person_link') }} as link
    where {{ is_new_identity('link') }}
    union
    select unnest([merged.person_key, merged.resolved_key]) as person_key
    from {{ source('lake', 'person_alias') }} as merged
    where {{ is_new_identity('merged') }}
),

final as (
    select person_key
    from named
    where person_key is not null
)

select * from final
