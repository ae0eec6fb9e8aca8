import "@scbe/cli/issue-credentials";
