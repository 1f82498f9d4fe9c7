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

{#
  One stream as it now stands; in an increment, of the keys that it touches. To dbt's graph it is the staging model.

  The rows of those keys come first and stand by themselves: DuckDB would join all of the stream before it asks for the
  keys. Certificates ascend in the stream, so that the oldest one that is needed spares what lies before.
#}
{% macro staged(key) %}
    {% set all_rows, repeated, touched = ref('stg_' ~ key), ref('base_repeated_event'), touched_records(key) %}
    {% if execute and is_increment() %}
        (
            with wanted as materialized (
                select * from {{ source('lake', key) }}
                where certificate_id >= {{ first_certificate(key) }} and record_key in ({{ touched }})
            )
            {{ stage_stream(key, 'wanted') }}
        )
    {% else %}
        {{ all_rows }}
    {% endif %}
{% endmacro %}

{# The oldest certificate of a row that this build looks at. #}
{% macro first_certificate(key) %}
    {% set oldest %}
        select coalesce(min(first_certificate), 0) from {{ ref('int_touched_record') }} where stream_key = '{{ key }}'
    {% endset %}
    {{ return(run_query(oldest).columns[0].values()[0] if execute else 0) }}
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

{# The keys whose rows have to be built anew, of one stream and of several. #}
{% macro touched_records(key) -%}
    select record_key from {{ ref('int_touched_record') }} where stream_key = '{{ key }}'
{%- endmacro %}

{% macro touched_of(streams) -%}
    select
        stream_key,
        record_key,
    from {{ ref('int_touched_record') }}
    where stream_key in {{ stream_tuple(streams) }}
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

{# The cases whose askings have to be built anew: what they are about, their service, or the answers have changed. #}
{% macro touched_askings() -%}
    {{ touched_of(case_streams() + ['jdwnrh__hospital_visit']) }}
    union
    select
        stream_key,
        record_key,
    from {{ source('registry', 'asked_record') }}
{%- endmacro %}
