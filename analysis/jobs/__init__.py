"""What is sent: batch jobs, records on demand, and the ledger of both."""
