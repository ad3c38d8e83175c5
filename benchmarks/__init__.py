"""What masking costs beside a plain copy and beside other tools: `python -m benchmarks`."""
