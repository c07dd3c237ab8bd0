"""What a run does, decided from lists and catalog alone: the plan of a backup, the plan of a restore, and the rows of both."""
