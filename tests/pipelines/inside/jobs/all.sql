select id from input
