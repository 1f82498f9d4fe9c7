{#
  What a build adds to the one before. The working file knows which certificates that one was built from; numbers
  grow with every decision, so a range that is released late counts as new. `rows` names the rows' alias. A full
  build reads whole streams: nothing is new to it.
#}
{% macro is_new(rows) -%}
    {% if execute and flags.FULL_REFRESH %}
        false
    {% else %}
        {{ rows }}.certificate_id > (
            select coalesce(max(built.certificate_id), -1) from {{ source('lake', 'certified_range') }} as built
        )
    {% endif %}
{%- endmacro %}

{#
  True in a build that adds to what is there; a full build, and `dbt test`, look at everything. True while dbt only
  parses, so that it sees every ref.
#}
{% macro is_increment() %}
    {{ return(not execute or (flags.WHICH in ('build', 'run') and not flags.FULL_REFRESH)) }}
{% endmacro %}

{# One stream as it now stands; in an increment, of the keys that it touches. To dbt's graph it is the staging model. #}
{% macro staged(key) %}
    {% set all_rows, repeated, touched = ref('stg_' ~ key), ref('base_repeated_event'), touched_records(key) %}
    {% if execute and is_increment() %}({{ stage_stream(key, touched) }}){% else %}{{ all_rows }}{% endif %}
{% endmacro %}

{# The same; in an increment, of the records that name a touched person. #}
{% macro staged_of_persons(key) %}
    {% set all_rows, repeated, persons = ref('stg_' ~ key), ref('base_repeated_event'), touched_persons() %}
    {% if execute and is_increment() %}
        {% set named %}
            select record_key
            from (
                select
                    record_key,
                    unnest({{ person_columns()[key] }}) as person_key
                from {{ source('lake', key) }}
            )
            where person_key in ({{ persons }})
        {% endset %}
        ({{ stage_stream(key, named) }})
    {% else %}
        {{ all_rows }}
    {% endif %}
{% endmacro %}

{# Whether rows of the model say which certificate they come from. #}
{% macro has_certificate(relation) %}
    {% for node in graph.get('nodes', {}).values() if node.alias == relation.identifier %}
        {% if node.resource_type == 'model' %}
            {{ return('certificate_id' in node.columns) }}
        {% endif %}
    {% endfor %}
    {{ return(false) }}
{% endmacro %}

{# The keys of one stream whose rows have to be built anew. #}
{% macro touched_records(key) -%}
    select record_key from {{ ref('int_touched_record') }} where stream_key = '{{ key }}'
{%- endmacro %}

{% macro touched_cases() -%}
    select
        stream_key,
        record_key,
    from {{ ref('int_touched_record') }}
    where stream_key in {{ case_list() }}
{%- endmacro %}

{% macro touched_persons() -%}
    select person_key from {{ ref('int_touched_person') }}
{%- endmacro %}

{# Clears the way for a model that appends the touched keys as they now stand; for use in its pre_hook. #}
{% macro remove_touched(columns, touched) %}
    {% if is_incremental() %}
        delete from {{ this }} where ({{ columns | join(', ') }}) in ({{ touched }})
    {% endif %}
{% endmacro %}
