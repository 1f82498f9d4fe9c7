{# The streams whose records are the steps of an application. #}
{% macro case_streams() %}
    {{ return(['dcrc__cid_issuance', 'dcrc__census_transfer']) }}
{% endmacro %}

{% macro stream_tuple(streams) -%}
    ('{{ streams | join("', '") }}')
{%- endmacro %}

{# The streams that name persons, with the list of everybody whom one record names. #}
{% macro person_columns() %}
    {{ return({
        'dcrc__cid_issuance': '[person_key, guardian_person_key]',
        'dcrc__census_transfer': 'list_concat([person_key], member_person_keys)',
        'jdwnrh__hospital_visit': '[person_key]',
        'rcsc__service_feedback': '[person_key]',
    }) }}
{% endmacro %}
