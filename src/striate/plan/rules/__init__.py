"""The rules, a file each: small, named, and quoted in the plan with the numbers that led to them."""
