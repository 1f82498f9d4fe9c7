{# The folder's schema as it is written, without the target's prefix: readers ask for marts.<model>. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
