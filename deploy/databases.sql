-- What PostgreSQL runs when its volume is empty.
CREATE DATABASE dagster;
CREATE DATABASE mlflow;
