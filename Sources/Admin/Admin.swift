// Admin: the admin endpoints and pages.
