"""From calls and prompts to lines for Bedrock: checks, templates of bodies, records, input files."""
