{#
  What new certificates touch, seen from the rows that a model already has; only inside `is_incremental()`.
  A record touches its own key and the keys of the events that it repeats or corrects. Deleted records count,
  so that remove_touched takes away what nothing replaces.
#}
{% macro certified_since() -%}
    certificate_id > (select coalesce(max(known.certificate_id), -1) from {{ this }} as known)
{%- endmacro %}

{% macro touched_keys(streams) %}
    {% for key in streams %}
        select
            '{{ key }}' as stream_key,
            record_key,
        from {{ source('lake', key) }}
        where
            {{ certified_since() }}
            or (source, event_id) in (
                select
                    source,
                    event_id,
                from {{ source('lake', key) }}
                where {{ certified_since() }} and not is_deleted
                union all
                select
                    source,
                    corrects_event_id,
                from {{ source('lake', key) }}
                where {{ certified_since() }} and corrects_event_id is not null
            )
        {{ 'union' if not loop.last }}
    {% endfor %}
{% endmacro %}

{# The keys alone, for a model of one stream. #}
{% macro touched_records(key) %}
    select record_key from ({{ touched_keys([key]) }}) as touched
{% endmacro %}

{# Everybody whom a touched record names now or named before. #}
{% macro touched_persons() %}
    {% for key, persons in person_columns().items() %}
        select unnest({{ persons }}) as person_key
        from {{ source('lake', key) }}
        where record_key in ({{ touched_records(key) }})
        {{ 'union' if not loop.last }}
    {% endfor %}
{% endmacro %}

{# Feedback that is new, or whose case is. #}
{% macro touched_feedback() %}
    select record_key
    from {{ source('lake', 'rcsc__service_feedback') }}
    where
        record_key in ({{ touched_records('rcsc__service_feedback') }})
        or application_id in (select record_key from ({{ touched_keys(case_streams()) }}) as touched)
{% endmacro %}

{# Clears the way for a model that inserts the touched keys as they now stand; for use in its pre_hook. #}
{% macro remove_touched(columns, touched) %}
    {% if is_incremental() %}
        delete from {{ this }} where ({{ columns | join(', ') }}) in ({{ touched }})
    {% endif %}
{% endmacro %}
