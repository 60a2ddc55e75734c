"""Reports in the formats of other programs: SARIF, CTRF, Allure, JUnit, badges."""
