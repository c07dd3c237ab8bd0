// What the app may do in a source and in a target: the data actions that its calls need (docs/roles.md), and no more. No role here can
// list keys, train, analyze, or change the account.
targetScope = 'subscription'

param token string

@description('The subscriptions of the resources.')
param assignableScopes array

var actions = 'Microsoft.CognitiveServices/accounts/FormRecognizer'
var readActions = [
  '${actions}/custom/models/read'
  '${actions}/documentmodels/read'
  '${actions}/info/read'
  '${actions}/operations/read'
  '${actions}/management/get/model/read'
  '${actions}/management/get/classifier/read'
  '${actions}/management/get/info/read'
  '${actions}/operation/list/operations/read'
]
var sourceActions = [
  '${actions}/custom/models/copy/action'
  '${actions}/custom/models/copyresults/read'
  '${actions}/documentmodels:copyto/action'
  '${actions}/creation/copy/model/action'
  '${actions}/operation/get/operation/read'
]
var targetActions = [
  '${actions}/custom/models/copyauthorization/action'
  '${actions}/custom/models/delete'
  '${actions}/documentmodels:authorizecopy/action'
  '${actions}/documentmodels/delete'
  '${actions}/creation/generate/copyauthorization/action'
  '${actions}/management/model/delete'
  '${actions}/management/classifier/delete'
]

resource source 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, token, 'source')
  properties: {
    roleName: 'Forms Backup Source (${token})'
    description: 'Reads custom models and copies them to other resources. Changes nothing.'
    type: 'CustomRole'
    assignableScopes: assignableScopes
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: concat(readActions, sourceActions)
        notDataActions: []
      }
    ]
  }
}

resource target 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, token, 'target')
  properties: {
    roleName: 'Forms Backup Target (${token})'
    description: 'Reads custom models, lets copies in, and deletes copies.'
    type: 'CustomRole'
    assignableScopes: assignableScopes
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: concat(readActions, targetActions)
        notDataActions: []
      }
    ]
  }
}

output sourceRole string = source.name
output targetRole string = target.name
