{# In an increment: of the rows that are new, none has another beside it, new or old. #}
{% test unique_together(model, columns) %}
    select
        {{ columns | join(', ') }},
        count(*) as occurrences,
    from {{ model }}
    {% if is_increment() and has_certificate(model) %}
        where
            ({{ columns | join(', ') }}) in (
                select {{ columns | join(', ') }} from {{ model }} as tested
                where {{ is_new('tested') }}
            )
    {% endif %}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
