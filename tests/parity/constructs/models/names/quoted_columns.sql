select "Id", "select", "Mixed Case" from {{ ref('quoted') }}
