{#
  Who is whom. `lake.person_link` says of whom a record speaks where its own number doesn't, `lake.person_alias` into
  whom somebody was merged; both keep what held before, up to event `replaced_by`.
#}
{% macro person_column_names(key) -%}
    {{ {
        'dcrc__cid_issuance': 'person_key guardian_person_key',
        'dcrc__census_transfer': 'person_key',
        'jdwnrh__hospital_visit': 'person_key',
        'rcsc__service_feedback': 'person_key',
    }.get(key, '') }}
{%- endmacro %}

{% macro person_list_names(key) -%}
    {{ {'dcrc__census_transfer': 'member_person_keys'}.get(key, '') }}
{%- endmacro %}

{# Rows of one stream with every pseudonym of a person in the place of the one that is left of it. #}
{% macro identified(key, rows) %}
    {% set single, lists = person_column_names(key).split(), person_list_names(key).split() %}
    {% if not single %}
        {{ rows }}
    {% else %}
        (
            select landed.* replace (
                {% for column in single %}
                    coalesce(
                        {{ 'link.person_key,' if column == 'person_key' }}
                        {{ column }}_alias.resolved_key,
                        landed.{{ column }}
                    ) as {{ column }},
                {% endfor %}
                {% for column in lists %}
                    list_transform(
                        landed.{{ column }}, lambda known: coalesce(merged.aliases[known], known)
                    ) as {{ column }},
                {% endfor %}
            )
            from {{ rows }} as landed
            left join {{ source('lake', 'person_link') }} as link
                on
                    link.replaced_by is null
                    and link.stream_key = '{{ key }}'
                    and landed.kafka_partition = link.kafka_partition
                    and landed.kafka_offset = link.kafka_offset
            {% for column in single %}
                left join {{ source('lake', 'person_alias') }} as {{ column }}_alias
                    on {{ column }}_alias.replaced_by is null and landed.{{ column }} = {{ column }}_alias.person_key
            {% endfor %}
            {% if lists %}
                cross join ({{ merged_persons() }}) as merged
            {% endif %}
        )
    {% endif %}
{% endmacro %}

{# One row: a map of the merged pseudonyms that records name. Those that only links name are resolved there. #}
{% macro merged_persons() %}
    select map(list(alias.person_key), list(alias.resolved_key)) as aliases
    from {{ source('lake', 'person_alias') }} as alias
    where
        alias.replaced_by is null
        and alias.person_key not in (select link.linked_key from {{ source('lake', 'person_link') }} as link)
{% endmacro %}

{# What the build before has not seen of links and merges; a full build reads everything anyway. #}
{% macro is_new_identity(rows) -%}
    {% if execute and flags.FULL_REFRESH %}
        false
    {% else %}
        greatest({{ rows }}.event_number, coalesce({{ rows }}.replaced_by, 0)) > (
            select coalesce(max(built.event_number), 0) from {{ source('lake', 'identity_built') }} as built
        )
    {% endif %}
{%- endmacro %}

{# The keys of a stream's records that speak of somebody else than in the build before. #}
{% macro records_of_new_identity(key) %}
    {% set single, lists = person_column_names(key).split(), person_list_names(key).split() %}
    select landed.record_key
    from {{ source('lake', key) }} as landed
    where
        (landed.kafka_partition, landed.kafka_offset) in (
            select
                link.kafka_partition,
                link.kafka_offset
            from {{ source('lake', 'person_link') }} as link
            where link.stream_key = '{{ key }}' and {{ is_new_identity('link') }}
        )
    {% for column in single %}
        union
        select landed.record_key
        from {{ source('lake', key) }} as landed
        where landed.{{ column }} in ({{ newly_merged() }})
    {% endfor %}
    {% for column in lists %}
        union
        select named.record_key
        from (
            select
                landed.record_key,
                unnest(landed.{{ column }}) as person_key
            from {{ source('lake', key) }} as landed
            where exists ({{ newly_merged() }})
        ) as named
        where named.person_key in ({{ newly_merged() }})
    {% endfor %}
{% endmacro %}

{% macro newly_merged() -%}
    select alias.person_key from {{ source('lake', 'person_alias') }} as alias where {{ is_new_identity('alias') }}
{%- endmacro %}
