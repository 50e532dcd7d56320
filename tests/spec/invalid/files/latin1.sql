select 'é' as x from input
