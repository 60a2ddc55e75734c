"""Load on the deployment while the checks run: users of Locust in processes of their own."""
