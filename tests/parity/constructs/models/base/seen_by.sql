select d.id, d.name, p.score, '{{ var("greeting") }} {{ target.type }}' as said
from {{ ref('described') }} d left join {{ ref('people') }} p on p.id = d.id
