{#
  The condition is true, or unknown because a value is missing, for every row; in an increment, for every new one.
#}
{% test holds(model, condition) %}
    select *
    from {{ model }} as tested
    where
        not ({{ condition }})
        {% if is_increment() and has_certificate(model) %}
            and {{ is_new('tested') }}
        {% endif %}
{% endtest %}
