{% set facts = ['fct_service_case', 'fct_hospital_visit', 'fct_service_feedback'] %}
{% for fact in facts %}
    select person_key from {{ ref(fact) }}
    where
        person_key is not null
        {% if is_increment() %}
            and person_key in ({{ touched_persons() }})
        {% endif %}
    {{ 'union' if not loop.last }}
{% endfor %}
except
select person_key from {{ ref('dim_person') }}
