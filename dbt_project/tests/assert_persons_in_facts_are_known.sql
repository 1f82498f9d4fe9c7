{% set facts = ['fct_service_case', 'fct_hospital_visit', 'fct_service_feedback'] %}
{% for fact in facts %}
    select fact.person_key from {{ ref(fact) }} as fact
    where
        fact.person_key is not null
        {% if is_increment() %}
            and {{ is_new('fact') }}
        {% endif %}
    {{ 'union' if not loop.last }}
{% endfor %}
except
select person_key from {{ ref('dim_person') }}
