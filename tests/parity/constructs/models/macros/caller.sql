select {% call(n) wrapped('title') %}body {{ n * 2 }}{% endcall %} as said
     , {% filter upper %}'shout'{% endfilter %} as loud
     , '{% set block %}in a {{ 'block' }}{% endset %}{{ block | length }}' as long
