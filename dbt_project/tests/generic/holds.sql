{# The condition is true, or unknown because a value is missing, for every row. #}
{% test holds(model, condition) %}
    select *
    from {{ model }}
    where not ({{ condition }})
{% endtest %}
