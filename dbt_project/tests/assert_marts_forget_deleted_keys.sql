-- A key whose last record is its deletion is in no mart.
{% set marts = {
    'dcrc__cid_issuance': ('fct_service_case', 'application_id'),
    'dcrc__census_transfer': ('fct_service_case', 'application_id'),
    'jdwnrh__hospital_visit': ('fct_hospital_visit', 'visit_id'),
    'dot__exit_survey': ('fct_exit_survey_response', 'response_id'),
    'rcsc__service_feedback': ('fct_service_feedback', 'feedback_id'),
} %}
{% for key, (mart, column) in marts.items() %}
    select
        '{{ key }}' as stream_key,
        deleted.record_key
    from (
        select record_key
        from {{ source('lake', key) }}
        {% if is_increment() %}
            where record_key in ({{ touched_records(key) }})
        {% endif %}
        group by record_key
        having arg_max(is_deleted, kafka_offset)
    ) as deleted
    inner join {{ ref(mart) }} as kept on deleted.record_key = kept.{{ column }}
    {% if mart == 'fct_service_case' %}
        where kept.stream_key = '{{ key }}'
    {% endif %}
    {{ 'union all' if not loop.last }}
{% endfor %}
