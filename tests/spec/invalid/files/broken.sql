-- Comments come first.
selec *
fro input
