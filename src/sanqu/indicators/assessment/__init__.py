"""Assessment (考核评价): weights, points, deductions, appeals, and a league table whose every point can be traced."""
