"""The seminar's figures with controls, its editions and its cohorts."""
