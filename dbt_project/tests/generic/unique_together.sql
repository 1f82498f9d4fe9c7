{# In an increment: of the rows that are new, none has another beside it, new or old. #}
{% test unique_together(model, columns) %}
    with tested as (
        select * from {{ model }}
    )

    select
        {{ columns | join(', ') }},
        count(*) as occurrences,
    from tested
    {% if is_increment() and has_certificate(model) %}
        where ({{ columns | join(', ') }}) in (select {{ columns | join(', ') }} from tested where {{ is_new('tested') }})
    {% endif %}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
